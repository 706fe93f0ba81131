/* which.c - A library of which there are several: which one was found? */
int which(void);
int which(void) { return WHICH; }
