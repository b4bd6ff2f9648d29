# In place of the official Rust image: what it has beside Rust. That is mounted from this machine, with the certificates
# that this machine trusts, since there may be a proxy with one of its own on the way to crates.io.
ARG BASE
FROM ${BASE}
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates gcc libc6-dev make
ENV CARGO_HOME=/usr/local/cargo \
    CARGO_HTTP_CAINFO=/usr/local/authorities/ca-certificates.crt \
    PATH=/usr/local/rust/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
