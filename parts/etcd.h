/* etcd: a lease in etcd, and a key that is bound to it
 *
 * use: parts
 * libs: -lcurl
 * header: curl/curl.h libcurl4-openssl-dev curl-dev
 * packages: libcurl4-openssl-dev
 *
 * For other parts, not for hooks. It talks to etcd's JSON gateway through
 * libcurl. One thread at a time; all times are those of etcd_now. */
#ifndef ETCD_H
#define ETCD_H

#include <stdbool.h>
#include <stdint.h>

/* etcd_now returns the nanoseconds of the clock that also runs while the
 * machine is suspended (CLOCK_BOOTTIME). */
int64_t etcd_now(void);

/* The members to ask, and the key to take. The caller keeps the texts for TLS
 * and the user; the others are copied. "" = none. */
struct etcd_conf {
    const char *members; /* "https://HOST:PORT,..." */
    const char *key, *value;
    const char *lease; /* an existing lease to use */
    int seconds;       /* duration of a lease */
    int64_t patience;  /* nanoseconds to wait for an answer */
    const char *ca;    /* PEM files: CA certificates */
    const char *certificate, *private_key; /* of this client */
    const char *user, *password;
};

/* etcd_open sets the configuration. Returns 0, or -1 if it is not usable. */
int etcd_open(const struct etcd_conf *conf);

/* etcd_renew gets a lease, or renews the one there is. Returns false if etcd
 * grants none, or does not answer before `until`. */
bool etcd_renew(int64_t until);

/* etcd_lease returns the lease, "" = none; it is certainly valid until the time
 * etcd_valid. etcd_answers reports whether etcd answered the last request;
 * etcd_reason is why it did not. */
const char *etcd_lease(void);
int64_t etcd_valid(void);
bool etcd_answers(void);
const char *etcd_reason(void);

/* etcd_campaign takes the key if it is free, or finds that this lease has it.
 * Returns the revision at which the key was taken; 0 if another server has it,
 * or etcd does not answer. */
int64_t etcd_campaign(int64_t until);

/* etcd_revoke ends the lease, and with it the key. */
void etcd_revoke(int64_t until);

#endif
