/* notify: tells systemd (or who else set NOTIFY_SOCKET) how the server is. */
#ifndef NOTIFY_H
#define NOTIFY_H

/* The part has nothing for hooks: it sends READY=1 after on_start, RELOADING=1
 * and READY=1 around a reload, STOPPING=1 before on_close, and, with the key
 * notify.status, the summary as STATUS=. */

#endif
