#!/usr/bin/env bash
# Two POPs and a centre on this machine, each a network namespace of its own, with the configurations of deploy/ as docs/operating/pop.md says.
# Nothing of it outlives the command it runs. Not for load: everything shares the cores.
#
#   deploy/try/two-pops.sh                    builds it, opens a shell in which `at`, `api` and `cpes` are commands, removes it after the shell
#   deploy/try/two-pops.sh COMMAND …          the same around a command
#   deploy/try/two-pops.sh down               removes what a run that was killed left behind
#
#   cpe-north ──10.1.0.0/24── north ──198.51.100.0/30─┐
#                                                    centre        north and south have no way to each other
#   cpe-south ──10.2.0.0/24── south ──198.51.100.4/30─┘
#
# TRY_NAME begins the names of the namespaces (`try`), so that several can stand beside each other.
set -euo pipefail

ROOT=$(cd "$(dirname "$0")/../.." && pwd)
NAME=${TRY_NAME:-try}
DIR=/tmp/starling-$NAME
MACHINES=(centre north south cpe-north cpe-south)
PATH=$PATH:/usr/sbin:/sbin

fail() {
  echo "two-pops: $*" >&2
  exit 1
}

# ── Taking it down ──────────────────────────────────────────────────────────────────────────────────────────────────────────

pids() {
  local machine
  for machine in "${MACHINES[@]}"; do ip netns pids "$NAME-$machine" 2>/dev/null || true; done
}

# Everything that runs in our namespaces was started here, or from here: PostgreSQL and what people left in the background as well.
down() {
  trap '' INT TERM HUP
  [ -z "${COMMAND:-}" ] || kill "$COMMAND" 2>/dev/null || true
  local signal rounds machine
  for signal in TERM KILL; do
    # shellcheck disable=SC2046
    kill -"$signal" $(pids) 2>/dev/null || true
    for ((rounds = 0; rounds < 100; rounds++)); do
      [ -z "$(pids)" ] && break
      sleep 0.1
    done
  done
  for machine in "${MACHINES[@]}"; do
    ip netns del "$NAME-$machine" 2>/dev/null || true
    rm -rf "/etc/netns/$NAME-$machine"
  done
  rmdir /etc/netns 2>/dev/null || true
  rm -rf "$DIR"
}

[[ $NAME =~ ^[a-z0-9-]{1,40}$ ]] || fail "TRY_NAME is letters, digits and -"
[ "$(id -u)" = 0 ] || fail "network namespaces need root"
if [ "${1:-}" = down ]; then
  down
  exit
fi

for program in ip nats-server haproxy openssl curl node; do
  command -v "$program" >/dev/null || fail "$program is not here: apt-get install iproute2 nats-server haproxy openssl curl, and Node 20"
done
[ -e "$ROOT/dist/bin/starling.js" ] || node "$ROOT/bin/setup.mjs"
if [ -e "$DIR" ] || ip netns list | grep -q "^$NAME-centre\b"; then
  fail "there is one already, or its rest: TRY_NAME=$NAME $0 down"
fi
mkdir -m 700 "$DIR"
trap down EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# ── Machines and lines ──────────────────────────────────────────────────────────────────────────────────────────────────────

# A line between two machines: NAME-of-the-interface ADDRESS, for each end.
line() {
  local a=$NAME-$1 a_if=$2 a_address=$3 b=$NAME-$4 b_if=$5 b_address=$6
  ip -n "$a" link add "$a_if" type veth peer name "$b_if" netns "$b"
  ip -n "$a" address add "$a_address" dev "$a_if"
  ip -n "$b" address add "$b_address" dev "$b_if"
  ip -n "$a" link set "$a_if" up
  ip -n "$b" link set "$b_if" up
}

# What each machine would get from DNS.
hosts() {
  mkdir -p "/etc/netns/$NAME-$1"
  printf '127.0.0.1 localhost\n%s %s\n' "$2" "$3" >"/etc/netns/$NAME-$1/hosts"
}

for machine in "${MACHINES[@]}"; do
  ip netns add "$NAME-$machine"
  ip -n "$NAME-$machine" link set lo up
done
line north wan 198.51.100.2/30 centre north 198.51.100.1/30
line south wan 198.51.100.6/30 centre south 198.51.100.5/30
line cpe-north access 10.1.0.10/24 north access 10.1.0.1/24
line cpe-south access 10.2.0.10/24 south access 10.2.0.1/24
hosts north 198.51.100.1 hub.example.net
hosts south 198.51.100.5 hub.example.net
hosts cpe-north 10.1.0.1 acs-north.example.net
hosts cpe-south 10.2.0.1 acs-south.example.net

# ── Certificates and passwords ──────────────────────────────────────────────────────────────────────────────────────────────

mkdir "$DIR/ca" "$DIR/centre" "$DIR/north" "$DIR/south" "$DIR/bin"
(
  cd "$DIR/ca"
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -subj '/CN=Example Net ACS CA' \
    -addext 'basicConstraints=critical,CA:TRUE' -addext 'keyUsage=critical,keyCertSign,cRLSign' -keyout ca.key -out ca.pem
  for name in hub leaf-north leaf-south acs-north acs-south; do
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$name.example.net" \
      -addext "subjectAltName=DNS:$name.example.net" -keyout "$name.key" -out "$name.csr"
    openssl x509 -req -in "$name.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 825 -copy_extensions copy -out "$name.pem"
  done
) 2>"$DIR/ca/openssl.log" || fail "openssl: $(cat "$DIR/ca/openssl.log")"

password() { echo "p$(openssl rand -hex 24)"; }
CONTROL=$(password) NORTH=$(password) SOUTH=$(password) EDGE_1=$(password) EDGE_2=$(password) CPE=$(password) TOKEN=stl_$(openssl rand -hex 24)

# ── Starting programs ───────────────────────────────────────────────────────────────────────────────────────────────────────

# start MACHINE NAME [VARIABLE=VALUE …] -- COMMAND …: in the background, with no other variables, its output in MACHINE/NAME.log.
start() {
  local machine=$1 name=$2 variables=()
  shift 2
  while [ "$1" != -- ]; do
    variables+=("$1")
    shift
  done
  shift
  ip netns exec "$NAME-$machine" env -i PATH="$PATH" "${variables[@]}" "$@" </dev/null >"$DIR/$machine/$name.log" 2>&1 &
}

# said MACHINE NAME PATTERN: waits until its log has the pattern.
said() {
  local rounds
  for ((rounds = 0; rounds < 600; rounds++)); do
    grep -q -- "$3" "$DIR/$1/$2.log" 2>/dev/null && return
    sleep 0.1
  done
  fail "$2 of $1 did not get ready: $(tail -n 20 "$DIR/$1/$2.log")"
}

# The variables of an environment file, a line each.
variables() { grep -v '^#' "$1" | grep .; }

# ── Centre ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────

# The second POP: its block is the first one's under another name, and with another edge.
sed -n '/^      {$/,/^      }$/p' "$ROOT/deploy/nats/hub.conf" | sed 's/north/south/g; s/NORTH/SOUTH/g; s/edge-1/edge-2/g' >"$DIR/centre/south.part"
sed -e "/^      }\$/r $DIR/centre/south.part" -e "s#/var/lib/nats#$DIR/centre/nats#" "$ROOT/deploy/nats/hub.conf" >"$DIR/centre/nats-server.conf"
sed -e "s#/etc/nats/server#$DIR/ca/hub#; s#/etc/nats/ca#$DIR/ca/ca#" \
  -e "s/^NATS_CONTROL_PASSWORD=.*/NATS_CONTROL_PASSWORD=$CONTROL/; s/^NATS_SYS_PASSWORD=.*/NATS_SYS_PASSWORD=$(password)/" \
  -e "s/^NATS_POP_NORTH_PASSWORD=.*/NATS_POP_NORTH_PASSWORD=$NORTH\nNATS_POP_SOUTH_PASSWORD=$SOUTH/" "$ROOT/deploy/nats/hub.env" >"$DIR/centre/nats.env"
mapfile -t env < <(variables "$DIR/centre/nats.env")
start centre nats-server "${env[@]}" -- nats-server -c "$DIR/centre/nats-server.conf"

# PostgreSQL from the packages of Starling, so that this machine needs none; a centre has one of its own.
mkdir "$DIR/centre/database"
start centre postgres -- node --input-type=module -e "
  const { startEmbeddedPostgres } = await import('$ROOT/dist/control/store/embedded-postgres.js');
  const { silentLog } = await import('$ROOT/dist/base/log.js');
  const { url, stop } = await startEmbeddedPostgres('$DIR/centre/database', silentLog);
  console.log('listens at ' + url);
  process.on('SIGTERM', async () => { await stop(); process.exit(); });
  setInterval(() => {}, 60_000);"
said centre postgres '^listens at'
DATABASE_URL=$(sed -n 's/^listens at //p' "$DIR/centre/postgres.log")

# control NAME PORT [VARIABLE=VALUE …]
control() {
  local name=$1 port=$2
  shift 2
  sed -e "s#^STARLING_NATS_URL=.*#STARLING_NATS_URL=nats://control:$CONTROL@127.0.0.1:4222#" \
    -e "s#^STARLING_DATABASE_URL=.*#STARLING_DATABASE_URL=$DATABASE_URL#" \
    -e "s/^STARLING_HTTP_PORT=.*/STARLING_HTTP_PORT=$port/" "$ROOT/deploy/systemd/control.env" >"$DIR/centre/$name.env"
  mapfile -t env < <(variables "$DIR/centre/$name.env")
  start centre "$name" "${env[@]}" STARLING_DATA_DIR="$DIR/centre/$name" STARLING_ADMIN_TOKEN="$TOKEN" STARLING_DRAIN_SECONDS=2 "$@" \
    -- node "$ROOT/bin/starling.mjs" control
  said centre "$name" '^  *API '
}
control control-1 8080
control control-2 8081 STARLING_INSTALLATION_KEY_FILE="$DIR/centre/control-1/installation.key"

# ── POPs ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

# pop NAME EDGE PASSWORD-OF-THE-POP PASSWORD-OF-THE-EDGE: its leaf and its edge.
pop() {
  local pop=$1 edge=$2 pop_password=$3 edge_password=$4
  local upper=${edge^^}
  upper=${upper//-/_}
  sed -e "s/north/$pop/g; s/edge-1/$edge/g; s/EDGE_1/$upper/g" -e "s#/var/lib/nats#$DIR/$pop/nats#" \
    "$ROOT/deploy/nats/leaf.conf" >"$DIR/$pop/nats-server.conf"
  sed -e "s/north/$pop/g; s/EDGE_1/$upper/g" -e "s#/etc/nats/server#$DIR/ca/leaf-$pop#; s#/etc/nats/ca#$DIR/ca/ca#" \
    -e "s/:change-me@/:$pop_password@/; s/^NATS_SYS_PASSWORD=.*/NATS_SYS_PASSWORD=$(password)/" \
    -e "s/^\(NATS_EDGE_.*\)=.*/\1=$edge_password/" "$ROOT/deploy/nats/leaf.env" >"$DIR/$pop/nats.env"
  mapfile -t env < <(variables "$DIR/$pop/nats.env")
  start "$pop" nats-server "${env[@]}" -- nats-server -c "$DIR/$pop/nats-server.conf"

  sed -e "s/^STARLING_EDGE_ID=.*/STARLING_EDGE_ID=$edge/; s/^STARLING_POP=.*/STARLING_POP=$pop/" \
    -e "s#^STARLING_NATS_URL=.*#STARLING_NATS_URL=nats://$edge:$edge_password@127.0.0.1:4222#" \
    -e "s#^STARLING_CWMP_PUBLIC_URL=.*#STARLING_CWMP_PUBLIC_URL=https://acs-$pop.example.net#" \
    "$ROOT/deploy/systemd/edge.env" >"$DIR/$pop/edge.env"
  mapfile -t env < <(variables "$DIR/$pop/edge.env")
  start "$pop" edge "${env[@]}" STARLING_CPE_USERNAME=cpe STARLING_CPE_PASSWORD="$CPE" STARLING_EDGE_THREADS=1 \
    STARLING_DATA_DIR="$DIR/$pop/edge" STARLING_DRAIN_SECONDS=2 -- node "$ROOT/bin/starling.mjs" edge
}

# front POP ADDRESS. Behind its edge here, so that nobody waits until the front has seen twice that the edge is there: 6 s.
front() {
  local pop=$1 address=$2
  cat "$DIR/ca/acs-$pop.pem" "$DIR/ca/acs-$pop.key" >"$DIR/$pop/front.pem"
  mkdir "$DIR/$pop/run"
  mapfile -t env < <(variables "$ROOT/deploy/haproxy/default" | grep -v -e ^CONFIG= -e ^FRONT_CERTIFICATE= -e ^FRONT_BIND=)
  start "$pop" haproxy "${env[@]}" FRONT_CERTIFICATE="$DIR/$pop/front.pem" FRONT_BIND="$address:443" FRONT_RUN="$DIR/$pop/run" \
    FRONT_USER=root FRONT_GROUP=root FRONT_LOG=stderr FRONT_MAXCONN=1000 -- haproxy -W -db -f "$ROOT/deploy/haproxy/starling.cfg"
}
pop north edge-1 "$NORTH" "$EDGE_1"
pop south edge-2 "$SOUTH" "$EDGE_2"
for pop in north south; do said "$pop" edge '^  *edge '; done
front north 10.1.0.1
front south 10.2.0.1
for pop in north south; do said "$pop" haproxy 'Loading success'; done

# ── What the command is given ───────────────────────────────────────────────────────────────────────────────────────────────

# at MACHINE COMMAND …
cat >"$DIR/bin/at" <<END
#!/bin/sh
machine=\$1
shift
exec ip netns exec "$NAME-\$machine" "\$@"
END
# api URL …: curl at the centre, with the admin token.
cat >"$DIR/bin/api" <<END
#!/bin/sh
exec ip netns exec "$NAME-centre" curl -s -H "authorization: Bearer $TOKEN" -H 'content-type: application/json' "\$@"
END
# cpes POP COUNT …: simulated CPEs of a POP, until they are ended.
cat >"$DIR/bin/cpes" <<END
#!/bin/sh
pop=\$1 count=\$2
shift 2
case \$pop in north) host=10.1.0.10 serial=N ;; south) host=10.2.0.10 serial=S ;; esac
exec ip netns exec "$NAME-cpe-\$pop" env NODE_EXTRA_CA_CERTS="$DIR/ca/ca.pem" node "$ROOT/bin/starling.mjs" fleet \\
  --acs "https://acs-\$pop.example.net/" --host "\$host" --serial-prefix "\$serial" --count "\$count" --interval 10 \\
  --auth digest --username cpe --password "$CPE" "\$@"
END
chmod 755 "$DIR"/bin/*

cat >&2 <<END
Two POPs and a centre stand. Logs and configurations are in $DIR/<machine>; ends with this command.
  at north curl -s http://127.0.0.1:7548/healthz      a command on one of: ${MACHINES[*]}
  api \$API/devices                                    the API of the first control; the second is at port 8081
  cpes north 3 &                                      simulated CPEs of a POP
END
export PATH="$DIR/bin:$PATH" API=http://127.0.0.1:8080/api/v1 TOKEN TRY_DIR="$DIR" EDGE_1 EDGE_2 NORTH SOUTH
if [ $# = 0 ]; then
  "${SHELL:-/bin/bash}" || true
  exit
fi
# A signal is heard while a command in the background is waited for, and not before one in the foreground ends.
"$@" <&0 &
COMMAND=$!
wait "$COMMAND"
