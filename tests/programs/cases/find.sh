# needs: find xargs
find /usr/lib/python3 /etc -xdev -type f -name '*.conf' 2>/dev/null | sort | md5sum
mkdir -p a/b/c; find a -type d -exec echo {} +
seq 40 | xargs -P 4 -n 5 sh -c 'echo $#' | sort
find /no/such
