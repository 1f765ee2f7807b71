#!/bin/sh
# Makes sure that the tests find a PostgreSQL server to start: installs Debian's
# when it is missing and may be. In CI (CI=true) being without is a failure.
set -eu

have() { command -v initdb >/dev/null 2>&1 || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; }

have && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
	echo '    installing postgresql'
	# The package would start a server of its own, which nobody asked for.
	mkdir -p /etc/postgresql-common
	[ -e /etc/postgresql-common/createcluster.conf ] ||
		echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
	export DEBIAN_FRONTEND=noninteractive
	{ apt-get update || true; apt-get install -y --no-install-recommends -o Dpkg::Options::=--force-confold postgresql; } >/dev/null 2>&1 || true
	have && exit 0
fi
if [ "${CI:-}" = true ]; then
	echo 'there is no PostgreSQL, and it could not be installed: install the package postgresql' >&2
	exit 1
fi
printf '==> tests on PostgreSQL LEFT OUT: there is no initdb in PATH or /usr/lib/postgresql; install the package postgresql\n'
