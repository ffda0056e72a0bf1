#!/usr/bin/env bash
# scim2-tester against a running sidecar: tests/scim/tester.sh GATEPOST DIRECTORY. The directory keeps the tester, which is
# installed at the first run.
set -euo pipefail

gatepost=$1
tester=$2/scim2-tester-0.5.2

if ! [ -x "$tester/bin/scim2" ]; then
    rm -rf "$tester"
    python3 -m venv "$tester"
    "$tester/bin/pip" install --quiet --disable-pip-version-check scim2-tester==0.5.2 scim2-cli==0.6.0
fi

# What is tested needs no network but loopback, and has none where the system lets us take it away.
alone=(unshare --map-root-user --net sh -c 'ip link set lo up && exec "$@"' alone)
if [ "${3:-}" != alone ]; then
    if "${alone[@]}" true 2>/dev/null; then
        exec "${alone[@]}" "$0" "$gatepost" "$2" alone
    fi
    echo "scim2-tester: the network cannot be taken away here"
fi

root=$(mktemp -d)
trap '[ -z "${sidecar:-}" ] || kill "$sidecar"; rm -rf "$root"' EXIT
"$gatepost" init "$root/model" >/dev/null
echo '{"service_users": {"directory-sync": {"role": "Admin"}}}' >"$root/model/entities/sync.json"
token=$("$gatepost" token create tester --root "$root/model" --principal ServiceUser:directory-sync --scope scim 2>/dev/null)
"$gatepost" serve "$root/model" --listen 127.0.0.1:0 --set admin.listen=127.0.0.1:0 >"$root/greeting" 2>"$root/log" &
sidecar=$!

# The greeting names the address when it is listened on and the root is live.
address=
for _ in $(seq 300); do
    address=$(sed -n 's/.*directory sync, with a token, on //p' "$root/greeting")
    [ -z "$address" ] || break
    kill -0 "$sidecar" || { cat "$root/log"; exit 1; }
    sleep 0.1
done

export SCIM_CLI_URL="http://$address/scim/v2" SCIM_CLI_HEADERS="Authorization: Bearer $token"
"$tester/bin/scim2" test >"$root/report" || true
sed -n '/ERROR\|CRITICAL/p' "$root/report"
summary=$(grep -c '^SUCCESS' "$root/report" || true)
echo "scim2-tester: $summary checks passed${3:+, without a network}"
if grep -q '^\(ERROR\|CRITICAL\)' "$root/report" || [ "$summary" -lt 100 ]; then
    cat "$root/report" "$root/log"
    exit 1
fi
