/* metrics: the server's figures for Prometheus: ./svr.sh status --metrics */
#ifndef METRICS_H
#define METRICS_H

#pragma GCC visibility push(default)
#ifdef __cplusplus
extern "C" {
#endif

/* svr_metrics returns what `svr.sh status --metrics` prints, in Prometheus's
 * text format 0.0.4, to be served over HTTP; you may put metric families of
 * your own before or after it. The caller frees it. NULL = memory is short.
 * Loop thread. */
char *svr_metrics(void);

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop
#endif
