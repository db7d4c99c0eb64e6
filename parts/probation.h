/* probation: after a crash soon after a reload the last good code runs again
 *
 * needs: kept
 *
 * New code and configuration are on trial for svr.reload.probation seconds. Any
 * end but a clean close in that time makes the next start run the last pair
 * that stood its trial, or that a start brought; what crashed is not tried
 * again until it changes. No function for hooks. */
