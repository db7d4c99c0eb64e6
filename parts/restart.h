/* restart: ./svr.sh restart: a new server binary in place, sockets kept open
 *
 * needs: inherited
 *
 * The new binary, code and configuration are tried first, in another process.
 * Then the server closes its hooks and becomes that binary: the same process,
 * so no supervisor notices. What svr_listen opened stays open all along, for
 * the svr_listen of the new on_start; everything else is closed. A close that
 * is asked for meanwhile comes first. No function of its own for hooks. */
