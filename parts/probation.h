/* probation: after a crash soon after a reload the last good code runs again
 *
 * New code and configuration are on trial for svr.reload.probation seconds. Any
 * end but a clean close in that time makes the next start run the last that
 * stood its trial, or that a start brought; what crashed is not tried again
 * until it changes. It lies in run/bad.so and bad.conf; the good ones are
 * run/good.so and good.1.so. No function for hooks. */
