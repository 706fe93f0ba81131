# needs: man nroff
# Its sandbox forbids to open files for writing, whoever preloaded wants to; man knows some libraries of that kind by name.
export MAN_DISABLE_SECCOMP=1
printf '.TH X 1\n.SH NAME\nx \\- y\n' >x.1
MANPAGER=cat man ./x.1 | head -5
man no-such-page
