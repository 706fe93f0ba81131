# needs: man nroff
printf '.TH X 1\n.SH NAME\nx \\- y\n' >x.1
MANPAGER=cat man ./x.1 | head -5
man no-such-page
