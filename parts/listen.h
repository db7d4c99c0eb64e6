/* listen: listening sockets, from systemd or bound anew (svr_listen)
 *
 * needs: handed
 *
 * svr_listen stands in runtime/svr.h. */
