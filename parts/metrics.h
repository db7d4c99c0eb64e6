/* metrics: the server's figures for Prometheus: ./svr.sh status --metrics */
#ifndef METRICS_H
#define METRICS_H

#pragma GCC visibility push(default)
#ifdef __cplusplus
extern "C" {
#endif

/* svr_metrics returns what `svr.sh status --metrics` prints, in Prometheus's
 * text format 0.0.4, for a service that answers it over HTTP; a family of its
 * own may go before or after. Loop thread. The caller frees; NULL: no memory.
 */
char *svr_metrics(void);

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop
#endif
