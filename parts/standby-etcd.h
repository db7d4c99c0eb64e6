/* standby-etcd: a master among servers on several machines, chosen by etcd
 *
 * needs: etcd restart
 * status: role: master = this one works; slave = it waits
 * status: standby-etcd.token: the fencing token; 0 = a slave
 *
 * Without standby_etcd.endpoints it does nothing.
 * Servers with the same standby_etcd.key are one group. Who has the key in etcd
 * is the master; its lease is renewed, and when the master ends another one
 * continues with on_start: at once after a close, otherwise when the lease is
 * over. The others wait, ready (state "standby", role "slave").
 *
 * A master whose lease was not renewed stops its work before the lease can be
 * over: at four fifths of it the loop calls the callback `on_slave`, closes the
 * hooks and begins again, as a slave. One whose loop does not come to that, or
 * that is stopped or frozen, is killed by the kernel (a timer with SIGKILL) the
 * moment the lease may be over; its supervisor starts it again. So there is
 * never more than one master at work. */
#ifndef STANDBY_ETCD_H
#define STANDBY_ETCD_H

#include <stdint.h>

#pragma GCC visibility push(default)
#ifdef __cplusplus
extern "C" {
#endif

/* svr_fencing_token is the number of this mastership, 0 in a slave: larger than
 * that of each one before, so that a store can refuse what comes late from a
 * former master. The callback `on_master`, if the handler's table has one,
 * is called after on_start with it, a const int64_t *. Any thread. */
int64_t svr_fencing_token(void);

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop
#endif
