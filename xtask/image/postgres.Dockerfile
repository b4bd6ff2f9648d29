# In place of the official image of PostgreSQL 16: its own programs, and of the image's entry point what compose.yaml
# relies on.
ARG BASE
FROM ${BASE}
RUN useradd --system --home-dir /var/lib/postgresql postgres \
    && install --directory --owner=postgres --mode=0700 /var/lib/postgresql/data
COPY --from=programs / /usr/local/
COPY postgres-entrypoint.sh /usr/local/bin/entrypoint.sh
COPY pg_isready.sh /usr/local/bin/pg_isready
RUN chmod 0755 /usr/local/bin/entrypoint.sh /usr/local/bin/pg_isready
ENTRYPOINT ["/usr/local/bin/entrypoint.sh"]
