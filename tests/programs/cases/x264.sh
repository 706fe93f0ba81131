# needs: x264
seq 100000 | head -c 152064 >v
x() { x264 --quiet --no-progress --input-res 176x144 --fps 25 --demuxer raw -o "$@" 2>/dev/null; }
x a.264 --threads 3 v; md5sum <a.264
x b.264 --threads 2 --sliced-threads --preset ultrafast v; md5sum <b.264
x c.264 none; echo $?
