/* rotate: a new log file each day, hour or minute, or at a size; old ones kept
 *
 * They are named by their time, FILE.2026-11-24, or FILE.2026-11-24.1 where
 * that is taken. A log file behind a symbolic link is renamed beside itself,
 * and the link stays. A pipe, a terminal and whatever is reached through /dev
 * or /proc is never renamed. The keys log.file_log.rotate, .keep and
 * .rotate_size say how; no function for hooks. */
