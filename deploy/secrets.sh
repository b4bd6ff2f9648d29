#!/bin/sh
# Makes the secrets that compose.yaml and the Kubernetes manifests use, and a certificate for trying it out:
#
#   deploy/secrets.sh etui.example.org
#
# What is there already stays as it is, so that running it again is safe. Needs openssl.
set -eu

host=${1:?say for which host name: deploy/secrets.sh etui.example.org}
folder=$(dirname "$0")/secrets

# The folder keeps others out. The files in it must be readable by the users in the containers, who are not you.
mkdir -p "$folder"
chmod 700 "$folder"
cd "$folder"
umask 022

# Fills a file that is not there yet with what the command prints, whole or not at all.
make() {
    file=$1
    shift
    test -e "$file" && return
    "$@" >"$file.new"
    mv "$file.new" "$file"
    echo "made $folder/$file"
}

database_url() {
    echo "postgres://etui:$(cat postgres-password)@postgres:5432/etui"
}

# Two lines: the id of an access key and the key.
s3_credentials() {
    echo "etui-$(openssl rand -hex 6)"
    openssl rand -hex 20
}

make postgres-password openssl rand -hex 24
make database-url database_url
make minio-root-user echo "root-$(openssl rand -hex 4)"
make minio-root-password openssl rand -hex 20
make s3-credentials s3_credentials
# Signs access tokens; all nodes share it.
make token.key openssl genpkey -algorithm ed25519 -outform DER

# A certificate of your own takes the place of tls.crt (the whole chain) and tls.key.
if ! test -e tls.crt; then
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 825 -subj "/CN=Etui trial authority" \
        -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign \
        -keyout authority.key -out ca.crt 2>/dev/null
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$host" \
        -keyout tls.key -out tls.request 2>/dev/null
    printf 'subjectAltName=DNS:%s\nbasicConstraints=critical,CA:FALSE\nextendedKeyUsage=serverAuth\n' "$host" >tls.extensions
    openssl x509 -req -in tls.request -CA ca.crt -CAkey authority.key -CAcreateserial -days 825 \
        -extfile tls.extensions -out tls.crt 2>/dev/null
    # Nobody can make another certificate that ca.crt vouches for.
    rm -f authority.key ca.srl tls.request tls.extensions
    # openssl keeps others away from a key by itself; here the folder does.
    chmod 644 tls.key
    echo "made $folder/tls.crt, $folder/tls.key and $folder/ca.crt (for trying it out)"
fi
