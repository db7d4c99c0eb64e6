/* restart: ./svr.sh restart: replaces the server binary, keeps sockets open
 *
 * needs: inherited
 *
 * The new binary, code and configuration are tried first, in another process.
 * Then the server closes its hooks and becomes that binary: the same process,
 * so no supervisor notices. Sockets of svr_listen stay open all the time, for
 * svr_listen in the new on_start; everything else is closed. A close that is
 * requested meanwhile takes precedence. No function for hooks. */
