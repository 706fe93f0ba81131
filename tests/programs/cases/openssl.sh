# needs: openssl
openssl genrsa -out k 1024 2>/dev/null
openssl rsa -in k -check -noout; echo text | openssl dgst -sha256
openssl req -new -x509 -key k -subj /CN=x -days 1 -out c; openssl x509 -in c -noout -subject
echo text | openssl enc -aes-256-cbc -pbkdf2 -k x | openssl enc -d -aes-256-cbc -pbkdf2 -k x
openssl x509 -in none -noout 2>/dev/null
