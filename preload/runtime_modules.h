/* runtime_modules.h - What follows from a library being loaded or unloaded, on every floor. */
#ifndef SNARL_RUNTIME_MODULES_H
#define SNARL_RUNTIME_MODULES_H

/* The list of modules may have changed. The gate may be open. */
void modules_changed(void);

#endif
