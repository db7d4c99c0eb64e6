/* rotate: a new log file each day, hour or minute; the old ones are kept
 *
 * They are named by their time, FILE.2026-11-24, or FILE.2026-11-24.1 where
 * that is taken. The keys log.file_log.rotate and .keep say how; no function
 * for hooks. */
