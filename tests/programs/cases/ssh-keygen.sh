# needs: ssh-keygen
ssh-keygen -q -t ed25519 -N '' -f k && ssh-keygen -y -f k | cut -d' ' -f1
ssh-keygen -l -f k.pub | cut -d' ' -f1
ssh-keygen -l -f none
