/* etcd: a lease in etcd, and a key that lives as long
 *
 * use: parts
 * libs: -lcurl
 * header: curl/curl.h libcurl4-openssl-dev curl-dev
 * packages: libcurl4-openssl-dev
 *
 * For other parts, not for hooks. It speaks to etcd's JSON gateway through
 * libcurl. One thread at a time; times are etcd_now's. */
#ifndef ETCD_H
#define ETCD_H

#include <stdbool.h>
#include <stdint.h>

/* etcd_now is the clock that also runs while the machine sleeps, in
 * nanoseconds. */
int64_t etcd_now(void);

/* Whom to ask, and what for. The texts of TLS and of the user stay the
 * caller's, the others are copied; "" is none. */
struct etcd_conf {
    const char *members; /* "https://HOST:PORT,..." */
    const char *key, *value;
    const char *lease; /* one that is there already */
    int seconds;       /* of a lease */
    int64_t patience;  /* how long to wait for an answer */
    const char *ca;    /* files of TLS, in PEM: who signs the members' */
    const char *certificate, *private_key; /* our own */
    const char *user, *password;
};

/* etcd_open sets that. -1: it cannot be. */
int etcd_open(const struct etcd_conf *conf);

/* etcd_renew gets a lease, or renews it. False: there is none, or no answer
 * until `until`. */
bool etcd_renew(int64_t until);

/* etcd_lease is the lease, "" for none; it is certainly valid until etcd_valid.
 * etcd_answers reports whether etcd answered the last question, and
 * etcd_reason why it did not. */
const char *etcd_lease(void);
int64_t etcd_valid(void);
bool etcd_answers(void);
const char *etcd_reason(void);

/* etcd_campaign takes the key, if nobody has it, or finds that this lease has
 * it. Returns the revision of that, 0: somebody else has it, or no answer. */
int64_t etcd_campaign(int64_t until);

/* etcd_revoke ends the lease, and the key with it. */
void etcd_revoke(int64_t until);

#endif
