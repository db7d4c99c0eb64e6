/* rotate: a new log file each day, hour or minute, or at a size; old ones kept
 *
 * Old files are named by their time: FILE.2026-11-24, or FILE.2026-11-24.1 if
 * that exists. A log file behind a symbolic link is renamed in its own folder,
 * and the link stays. A pipe, a terminal, and anything reached through /dev or
 * /proc is never renamed. The keys are log.file_log.rotate, .keep and
 * .rotate_size; no function for hooks. */
