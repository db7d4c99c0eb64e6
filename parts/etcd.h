/* etcd: a lease in etcd, and a key that lives as long
 *
 * use: parts
 * libs: -lcurl
 * packages: libcurl4-openssl-dev
 *
 * For other parts, not for hooks. It speaks to etcd's JSON gateway through
 * libcurl. One thread at a time; times are etcd_now's. */
#ifndef ETCD_H
#define ETCD_H

#include <stdbool.h>
#include <stdint.h>

/* etcd_now is the clock that goes on while the machine sleeps, too, in
 * nanoseconds. */
int64_t etcd_now(void);

/* etcd_open sets what is asked: the members "http://HOST:PORT,...", the key and
 * its value, the lease's seconds, how long to wait for an answer, and a lease
 * that is there already, or "". -1: it cannot be. */
int etcd_open(const char *members, const char *key, const char *value,
              int seconds, int64_t patience, const char *lease);

/* etcd_renew has a lease, or has it anew. False: there is none, or no answer
 * until `until`. */
bool etcd_renew(int64_t until);

/* etcd_lease is the lease, "" for none; it is there till etcd_valid, for sure.
 * etcd_answers tells whether etcd did, the last time. */
const char *etcd_lease(void);
int64_t etcd_valid(void);
bool etcd_answers(void);

/* etcd_campaign takes the key, if nobody has it, or finds that this lease has
 * it. Returns the revision of that, 0: somebody else has it, or no answer. */
int64_t etcd_campaign(int64_t until);

/* etcd_revoke ends the lease, and the key with it. */
void etcd_revoke(int64_t until);

#endif
