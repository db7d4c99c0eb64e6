/* tls: TLS for the parts stream, lines and respd, with OpenSSL
 *
 * needs: stream
 * libs: -lssl -lcrypto
 * header: openssl/ssl.h libssl-dev openssl-dev
 * packages: libssl-dev
 *
 * With tls.certificate all listening sockets of these parts use TLS, except
 * unix sockets and those of a struct svr_protocol with `plain`. Outgoing
 * connections use it if their protocol has a `name`, for which the server's
 * certificate must be valid; they present tls.certificate, if it is set. The
 * files are read again at each reload, even under the same path: open
 * connections are unchanged, new ones get the new certificate, and a key that
 * does not match rejects the reload. A handshake does not block the loop, and
 * may take as long as a message (`slow`). */
#ifndef TLS_H
#define TLS_H

#include "svr.h"

#endif
