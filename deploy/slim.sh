#!/bin/sh
# Removes from an environment what only developers of its packages use: their tests, headers, tools and symbol tables.
#   sh slim.sh /opt/venv
set -eu
for site in "$1"/lib/python*/site-packages; do
    find "$site" -type d -name tests -path "$site/*" \
        \( -path "$site/numpy/*" -o -path "$site/numba/*" -o -path "$site/sympy/*" -o -path "$site/networkx/*" \) \
        -prune -exec rm -rf {} +
    if [ -d "$site/torch" ]; then
        rm -rf "$site/torch/test" "$site/torch/include"
        find "$site/torch/bin" -type f ! -name torch_shm_manager -delete
    fi
    # auditwheel's copies in *.libs stay: strip breaks some of them.
    find "$site" -name "*.so" -size +100k ! -path "*.libs/*" -exec strip --strip-unneeded {} +
done
