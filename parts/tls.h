/* tls: TLS for the parts stream, lines and respd, by OpenSSL
 *
 * needs: stream
 * libs: -lssl -lcrypto
 * header: openssl/ssl.h libssl-dev openssl-dev
 * packages: libssl-dev
 *
 * With tls.certificate all listening sockets of these parts speak TLS, except
 * unix sockets and those of a struct svr_protocol with `plain`. Connections out
 * speak it when their protocol has a `name`, which the server's certificate
 * must have; they show tls.certificate, if there is one. The files are read
 * again at each reload, also under the same path: living connections stay as
 * they are, new ones get the new certificate; a key that does not match rejects
 * the reload. A handshake does not block the loop, and may take as long as a
 * message (`slow`). */
#ifndef TLS_H
#define TLS_H

#include "svr.h"

#endif
