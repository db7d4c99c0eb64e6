/* tls: TLS for the parts stream, lines and respd, with OpenSSL. */
#define _GNU_SOURCE
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "callback.h"
#include "part.h"
#include "stream.h"
#include "tls.h"

enum { WARN_DAYS = 14, DAY = 86400 };

/* The contexts of a configuration: for serving, and for connecting. */
struct contexts {
    SSL_CTX *server, *client; /* server NULL = no certificate */
    bool knows;               /* the client context has its CA certificates */
};
static struct contexts now, next;
static uint64_t handshakes, failures;

struct session {
    SSL *ssl;
    int wants; /* SVR_READ or SVR_WRITE, in addition to what the stream waits
                  for */
    bool failed, established;
    char reason[96];
};

/* ---- Files ------------------------------------------------------------ */

/* Makes a path absolute: a hook may have left the project's folder. */
static const char *
path_of(const struct conf *conf, const char *key, char path[512]) {
    const char *text = conf_text(conf, key);
    if (*text == '/')
        snprintf(path, 512, "%s", text);
    else
        snprintf(path, 512, "/proc/self/fd/%d/%s", part_folder, text);
    return *text ? path : NULL;
}

/* Records why OpenSSL refuses a key's file. */
static int
blame_file(const struct conf *conf, const char *key) {
    unsigned long error = ERR_peek_error();
    const char *reason = ERR_reason_error_string(error);
    conf_blame(conf, key, "%s: %s", conf_text(conf, key),
               ERR_SYSTEM_ERROR(error)
                   ? strerror(ERR_GET_REASON(error))
                   : (reason ? reason : "no certificate or key in PEM"));
    ERR_clear_error();
    return -1;
}

static void
free_contexts(struct contexts *contexts) {
    SSL_CTX_free(contexts->server);
    SSL_CTX_free(contexts->client);
    *contexts = (struct contexts){NULL, NULL, false};
}

static SSL_CTX *
new_context(const struct conf *conf, const SSL_METHOD *method) {
    SSL_CTX *context = SSL_CTX_new(method);
    if (!context)
        return NULL;
    SSL_CTX_set_min_proto_version(
        context, strcmp(conf_text(conf, "tls.minimum"), "1.3") == 0
                     ? TLS1_3_VERSION
                     : TLS1_2_VERSION);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_id_context(context, (const unsigned char *)"svr", 3);
    return context;
}

/* Reads the certificate and its key. */
static int
use_certificate(const struct conf *conf, SSL_CTX *context) {
    char path[512];
    const char *file = path_of(conf, "tls.certificate", path);
    if (SSL_CTX_use_certificate_chain_file(context, file) != 1)
        return blame_file(conf, "tls.certificate");
    file = path_of(conf, "tls.key", path);
    if (!file)
        return conf_blame(conf, "tls.key", "tls.certificate needs a key");
    if (SSL_CTX_use_PrivateKey_file(context, file, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(context) != 1)
        return blame_file(conf, "tls.key");
    return 0;
}

/* Has a context verify its peers with the CA file that a key names. */
static int
use_ca(const struct conf *conf, SSL_CTX *context, const char *key, int mode) {
    char path[512];
    const char *file = path_of(conf, key, path);
    if (file && SSL_CTX_load_verify_locations(context, file, NULL) != 1)
        return blame_file(conf, key);
    if (file && (mode & SSL_VERIFY_FAIL_IF_NO_PEER_CERT))
        SSL_CTX_set_client_CA_list(context, SSL_load_client_CA_file(file));
    if (file || !(mode & SSL_VERIFY_FAIL_IF_NO_PEER_CERT))
        SSL_CTX_set_verify(context, mode, NULL);
    return 0;
}

/* Makes the contexts of a configuration. Returns -1 as svr_fail. */
static int
make_contexts(const struct conf *conf, struct contexts *made) {
    bool serves = *conf_text(conf, "tls.certificate") != '\0';
    ERR_clear_error();
    *made = (struct contexts){
        .client = new_context(conf, TLS_client_method()),
        .server = serves ? new_context(conf, TLS_server_method()) : NULL};
    made->knows = *conf_text(conf, "tls.server_ca") != '\0';
    int result =
        !made->client || (serves && !made->server)
            ? svr_fail("tls: no memory")
            : use_ca(conf, made->client, "tls.server_ca", SSL_VERIFY_PEER);
    if (result == 0 && serves)
        result = use_certificate(conf, made->server);
    if (result == 0 && serves)
        result = use_certificate(conf, made->client);
    if (result == 0 && serves)
        result = use_ca(conf, made->server, "tls.client_ca",
                        SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT);
    if (result < 0)
        free_contexts(made);
    return result;
}

/* Reads the files whenever a configuration is read, except for svr_conf.h,
 * which may be made on another machine. */
static int
check_tls(const struct conf *conf) {
    free_contexts(&next);
    return part_folder < 0 ? 0 : make_contexts(conf, &next);
}

/* ---- Expiry of the certificate ---------------------------------------- */

/* When the certificate expires, as seconds since 1970; 0 = there is none. */
static time_t
expiry(void) {
    const X509 *certificate =
        now.server ? SSL_CTX_get0_certificate(now.server) : NULL;
    struct tm when;
    return certificate &&
                   ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &when) == 1
               ? timegm(&when)
               : 0;
}

/* Warns once a day of a certificate that expires soon. */
static int
warn_of_expiry(void *unused) {
    time_t end = expiry(), left = end - time(NULL);
    char date[16];
    struct tm when;
    (void)unused;
    if (end == 0 || left > (time_t)WARN_DAYS * DAY)
        return 0;
    strftime(date, sizeof date, "%Y-%m-%d", gmtime_r(&end, &when));
    if (left <= 0)
        svr_err("tls.certificate expired on %s: renew it, then reload", date);
    else
        svr_warn("tls.certificate expires on %s, in %d days: renew it, then "
                 "reload",
                 date, (int)(left / DAY));
    return 0;
}

/* ---- Sessions --------------------------------------------------------- */

static void *
open_tls(int fd, const char *name, bool *off) {
    struct sockaddr address = {.sa_family = AF_UNSPEC};
    socklen_t size = sizeof address;
    SSL_CTX *context = name ? now.client : now.server;
    bool local =
        getsockname(fd, &address, &size) == 0 && address.sa_family == AF_UNIX;
    *off = !context || (local && !name);
    if (*off)
        return NULL;
    if (name && !now.knows) /* takes milliseconds, so only if it is needed */
        now.knows = SSL_CTX_set_default_verify_paths(now.client) == 1;
    struct session *session = calloc(1, sizeof *session);
    SSL *ssl = session ? SSL_new(context) : NULL;
    if (!ssl || SSL_set_fd(ssl, fd) != 1) {
        SSL_free(ssl);
        free(session);
        svr_fail("tls: no memory");
        return NULL;
    }
    session->ssl = ssl;
    if (!name) {
        SSL_set_accept_state(ssl);
        return session;
    }
    SSL_set_connect_state(ssl);
    if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) != 1) {
        ERR_clear_error();
        SSL_set1_host(ssl, name);
        SSL_set_tlsext_host_name(ssl, name);
    }
    return session;
}

/* Turns a result of SSL_read or SSL_write into one of recv(2). */
static ssize_t
outcome(struct session *session, int result, int usual) {
    int error = SSL_get_error(session->ssl, result), number = errno;
    if (!session->established && SSL_is_init_finished(session->ssl)) {
        session->established = true;
        handshakes++;
    }
    session->wants = 0;
    if (result > 0)
        return result;
    if (error == SSL_ERROR_ZERO_RETURN)
        return 0;
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
        int wants = error == SSL_ERROR_WANT_READ ? SVR_READ : SVR_WRITE;
        session->wants = wants == usual ? 0 : wants;
        errno = EAGAIN;
        return -1;
    }
    long verified = SSL_get_verify_result(session->ssl);
    unsigned long code = ERR_peek_error();
    const char *reason = ERR_reason_error_string(code);
    if (ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
        reason = "closed by the peer without ending TLS";
    else if (ERR_GET_REASON(code) == SSL_R_WRONG_VERSION_NUMBER ||
             ERR_GET_REASON(code) == SSL_R_HTTP_REQUEST)
        reason = "the peer does not speak TLS";
    snprintf(session->reason, sizeof session->reason, "TLS: %s",
             verified != X509_V_OK ? X509_verify_cert_error_string(verified)
             : reason              ? reason
             : number              ? strerror(number)
                                   : "closed by the peer");
    ERR_clear_error();
    failures += !session->failed && !session->established;
    session->failed = true;
    errno = EPROTO;
    return -1;
}

static int
int_size(size_t size) {
    return size < INT32_MAX ? (int)size : INT32_MAX;
}

static ssize_t
receive_tls(void *session, char *data, size_t size) {
    errno = 0;
    return outcome(
        session,
        SSL_read(((struct session *)session)->ssl, data, int_size(size)),
        SVR_READ);
}

static ssize_t
send_tls(void *session, const char *data, size_t size) {
    errno = 0;
    return outcome(
        session,
        SSL_write(((struct session *)session)->ssl, data, int_size(size)),
        SVR_WRITE);
}

static int
tls_wants(void *session) {
    return ((struct session *)session)->wants;
}

static bool
tls_established(void *session) {
    return ((struct session *)session)->established;
}

static const char *
tls_reason(void *session) {
    return ((struct session *)session)->reason;
}

static void
close_tls(void *arg) {
    struct session *session = arg;
    if (!session->failed && session->established)
        SSL_shutdown(session->ssl); /* if the socket has room for it */
    ERR_clear_error();
    SSL_free(session->ssl);
    free(session);
}

static const struct stream_tls functions = {.open = open_tls,
                                            .receive = receive_tls,
                                            .send = send_tls,
                                            .wants = tls_wants,
                                            .established = tls_established,
                                            .reason = tls_reason,
                                            .close = close_tls};

/* ---- Events of the part ----------------------------------------------- */

static int
tls_event(enum part_event event, const struct conf *conf, const char *text) {
    (void)conf;
    if (event == PART_START)
        stream_tls = &functions;
    if (event != PART_READY && event != PART_RELOADED)
        return 0;
    if (!text) {
        struct contexts former = now;
        now = next;
        next = former;
    }
    free_contexts(&next);
    warn_of_expiry(NULL);
    return callback_timer((struct timer){
        .key = "svr.tls", .own = warn_of_expiry, .at = now.server ? 'D' : 0});
}

static void
tls_figures(struct figures *figures) {
    figure_number(figures, "expires", FIGURE_GAUGE, (double)expiry(),
                  "Expiry of the certificate, seconds since 1970; 0 = none.");
    figure_number(figures, "handshakes", FIGURE_COUNTER, (double)handshakes,
                  "Handshakes that succeeded.");
    figure_number(figures, "failed", FIGURE_COUNTER, (double)failures,
                  "Handshakes that failed.");
}

static const struct svr_key keys[] = {
    {"tls.certificate", SVR_STRING, .value = ""},
    {"tls.key", SVR_STRING, .value = ""},
    {"tls.minimum", SVR_STRING, .value = "1.2", .words = "version: 1.2 1.3"},
    {"tls.client_ca", SVR_STRING, .value = ""},
    {"tls.server_ca", SVR_STRING, .value = ""},
    {.key = NULL},
};

const struct part part_tls = {.name = "tls",
                              .keys = keys,
                              .check = check_tls,
                              .event = tls_event,
                              .figures = tls_figures};
