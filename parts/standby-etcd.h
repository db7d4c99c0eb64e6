/* standby-etcd: a master among servers on several machines, chosen by etcd
 *
 * needs: etcd restart
 *
 * Without standby_etcd.endpoints it does nothing. Servers with the same
 * standby_etcd.key are one group. The server that has the key in etcd is the
 * master, and renews its lease. When it ends, another server continues with
 * on_start: at once after a close, otherwise when the lease expires. The others
 * wait, ready (state "standby", role "slave").
 *
 * A master that cannot renew its lease stops working before the lease expires:
 * after four fifths of it the loop calls the callback `on_slave`, closes the
 * hooks and starts again, as a slave. If the loop cannot do that, or the
 * process is stopped or frozen, the kernel kills it (a timer with SIGKILL) when
 * the lease may expire; its supervisor starts it again. So there is never more
 * than one active master. */
#ifndef STANDBY_ETCD_H
#define STANDBY_ETCD_H

#include <stdint.h>

#pragma GCC visibility push(default)
#ifdef __cplusplus
extern "C" {
#endif

/* svr_fencing_token returns the number of this mastership, 0 in a slave. It is
 * larger than all earlier ones, so that a store can refuse late requests of a
 * former master. If the handler's table has a callback `on_master`, it is
 * called after on_start with a pointer to the number, a const int64_t *. Any
 * thread. */
int64_t svr_fencing_token(void);

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop
#endif
