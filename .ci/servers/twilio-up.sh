#!/usr/bin/env bash
# Runs Prism over an OpenAPI file as a validating stand-in for the Twilio REST API (loopback only).
#   twilio-up.sh STATE_DIR [SPEC_FILE]      stop again with: twilio-up.sh STATE_DIR stop
# TWILIO_PORT changes the port, PRISM_VERSION the version, PRISM_DYNAMIC=1 makes answers from
# the schema instead of the spec's examples.
set -euo pipefail
HERE=$(cd "$(dirname "$0")" && pwd -P)
. "$HERE/lib.sh"
prepare_state "${1:-}"
PORT=${TWILIO_PORT:-10401}
VERSION=${PRISM_VERSION:-5.14.2}
PIDFILE=$STATE/prism.pid
NAME=prism

if [ "${2:-}" = stop ]; then stop_pid "$PIDFILE" "$NAME"; exit 0; fi
SPEC_VERSION=${TWILIO_SPEC_VERSION:-8.3.2}
SPEC=${2:-$STATE/spec-$SPEC_VERSION/twilio_api_v2010.json}
if [ $# -lt 2 ] && [ ! -s "$SPEC" ]; then # Twilio publishes it inside its own command line's package
  apt_need node nodejs npm npm
  mkdir -p "${SPEC%/*}"
  (cd "${SPEC%/*}" && npm pack --silent "@twilio/cli-core@$SPEC_VERSION" && tar xzf ./*.tgz --strip-components=4 package/src/services/twilio-api/twilio_api_v2010.json) \
    >"$STATE/log/spec.log" 2>&1 || { tail -n 20 "$STATE/log/spec.log" >&2; die "could not get Twilio's OpenAPI"; }
fi
[ -s "$SPEC" ] || die "no OpenAPI file at $SPEC"
SPEC=$(cd "$(dirname "$SPEC")" && pwd -P)/$(basename "$SPEC")

print_result() {
  cat <<R
TWILIO_BASE_URL=http://127.0.0.1:$PORT
TWILIO_ACCOUNT_SID=AC00000000000000000000000000000000
TWILIO_AUTH_TOKEN=12345678901234567890123456789012
TWILIO_LOG=$STATE/log/prism.log
R
}

if alive "$PIDFILE" "$NAME" && port_open "$PORT" && [ "$(cat "$STATE/prism.spec" 2>/dev/null)" = "$SPEC $PORT $VERSION" ]; then
  print_result
  exit 0
fi
stop_pid "$PIDFILE" "$NAME"
need_free_ports "$PORT"
apt_need node nodejs npm npm
mkdir -p "$STATE/npm"
# without the override npm adds a second, newer prism-http that needs Node 20.19 or later
[ -f "$STATE/npm/package.json" ] || echo '{"private":true,"overrides":{"@stoplight/prism-http":"'"${PRISM_HTTP_VERSION:-5.12.0}"'"}}' >"$STATE/npm/package.json"
npm_need "$STATE/npm" "@stoplight/prism-cli@$VERSION"

node "$HERE/twilio/prepare-spec.js" "$SPEC" "$STATE/spec.json" || die "could not read $SPEC as JSON"
ARGS=(mock -h 127.0.0.1 -p "$PORT")
[ "${PRISM_DYNAMIC:-0}" = 1 ] && ARGS+=(--dynamic)
start_daemon "$PIDFILE" "$STATE/log/prism.log" node "$STATE/npm/node_modules/.bin/prism" "${ARGS[@]}" "$STATE/spec.json"
echo "$SPEC $PORT $VERSION" >"$STATE/prism.spec"
wait_port "$PORT" 60 "$STATE/log/prism.log"
print_result
