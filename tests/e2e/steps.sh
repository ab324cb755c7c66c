# To be sourced by sessions: steps that say PASS or FAIL with seconds, the first FAIL ends it. They want `work`, a folder, and
# `openstack`, the client.

now() { date +%s.%N; }
step() { # NAME COMMAND...: runs it; its output shows only when it fails
  local what=$1 start status=0
  shift
  start=$(now)
  # In the background and waited for: only so does `set -e` hold inside of it although its status is looked at.
  "$@" >"$work/out" 2>&1 &
  wait $! || status=$?
  printf '%s %s (%.2f s)\n' "$([ $status = 0 ] && echo PASS || echo FAIL)" "$what" "$(echo "$(now) $start" | awk '{ print $1 - $2 }')"
  if [ $status != 0 ]; then
    sed 's/^/   /' "$work/out"
    exit 1
  fi
}
os() { timeout 180 "$openstack" "$@"; }
same() { # WHAT IS SHOULD
  [ "$2" = "$3" ] || { echo "$1 is '$2' and not '$3'"; return 1; }
}
poll() { # SECONDS PREDICATE...: with a deadline; the last answer is the explanation
  local deadline=$((SECONDS + $1))
  shift
  until "$@" >"$work/poll" 2>&1; do
    if [ "$SECONDS" -ge "$deadline" ]; then
      echo "not within the deadline: $*" && cat "$work/poll"
      return 1
    fi
    sleep 0.2
  done
}
