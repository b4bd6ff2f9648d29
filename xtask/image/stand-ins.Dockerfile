# In place of the images of HAProxy and MinIO. The S3 server of the tests runs outside; a forwarder takes its place.
ARG BASE
FROM ${BASE}
RUN apt-get update && apt-get install --yes --no-install-recommends curl haproxy
COPY forward.cfg /etc/forward.cfg
USER haproxy
CMD ["haproxy", "-f", "/usr/local/etc/haproxy/haproxy.cfg"]
