/* cmd.h - The subcommands: each takes its own argv (argv[0] is its name) and returns the exit status. */
#ifndef SNARL_TOOLS_CMD_H
#define SNARL_TOOLS_CMD_H

#include <stdbool.h>
#include <stddef.h>

/* Statuses of `snarl report` and `snarl graph`. */
enum { REPORT_NOTHING = 0, REPORT_FINDINGS = 1, REPORT_USAGE = 2, REPORT_DAMAGED = 3 };

int cmd_report(int argc, char **argv);
int cmd_graph(int argc, char **argv);
int cmd_run(int argc, char **argv);

/* Where libsnarl.so is: beside the command, or in ../lib/snarl. False when it is in neither; `out` says where it was
 * sought. */
bool cmd_library(char *out, size_t cap);

/* Was descriptor 1 closed, or /dev/null, when the command started? */
extern bool cmd_no_stdout;

/* "snarl: ..." to stderr. */
void cmd_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
