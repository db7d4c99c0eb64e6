/* notify: reports the server's state to systemd (NOTIFY_SOCKET) */
#ifndef NOTIFY_H
#define NOTIFY_H

#pragma GCC visibility push(default)
#ifdef __cplusplus
extern "C" {
#endif

/* The part sends READY=1 after on_start, RELOADING=1 and READY=1 around a
 * reload and a restart, STOPPING=1 before on_close, WATCHDOG=1 as long as the
 * loop runs (if the unit has WatchdogSec=), and, with the key notify.status,
 * the summary as STATUS=. svr_notify sends further lines NAME=VALUE, see
 * sd_notify(3), for example "EXTEND_TIMEOUT_USEC=5000000\n" in a long on_start.
 * Loop thread. Does nothing without NOTIFY_SOCKET. */
void svr_notify(const char *lines);

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop
#endif
