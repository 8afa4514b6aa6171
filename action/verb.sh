#!/usr/bin/env bash
# One step of a CI job: `verb.sh validate|plan|run`, asked for by variables so that no text of a workflow is ever
# read as shell. action.yml calls this, and so can any other CI service.
#
#   KLING_PIPE_MANIFEST   the manifest (kling-pipe.yaml)
#   KLING_PIPE_ARGS       more arguments, one a line
#   KLING_PIPE_OUT        folder for what the steps hand on: plan.json, plan.md, junit.xml (.kling-pipe/ci)
set -euo pipefail

verb=${1:?validate, plan or run}
manifest=${KLING_PIPE_MANIFEST:-kling-pipe.yaml}
out=${KLING_PIPE_OUT:-.kling-pipe/ci}
mkdir -p "$out"

args=()
while IFS= read -r line; do
  line=${line%$'\r'}
  if [ -n "$line" ]; then args+=("$line"); fi
done <<<"${KLING_PIPE_ARGS:-}"
call=(kling-pipe "$verb" "$manifest" ${args[@]+"${args[@]}"})

hand_on() { # name, value: to the steps that follow, where the service has a way for it
  if [ -n "${GITHUB_OUTPUT:-}" ]; then printf '%s=%s\n' "$1" "$2" >>"$GITHUB_OUTPUT"; fi
}

code=0
case $verb in
validate)
  form=text
  if [ -n "${GITHUB_ACTIONS:-}" ]; then form=github; fi
  "${call[@]}" --format "$form" || code=$?
  if [ "$code" != 0 ]; then
    # The same problems once more, for the comment. The summary page has them already.
    GITHUB_STEP_SUMMARY='' "${call[@]}" --format markdown >"$out/plan.md" || true
    hand_on report "$out/plan.md"
  fi
  ;;
plan)
  "${call[@]}" --format markdown --out "$out/plan.json" --detailed-exitcode >"$out/plan.md" || code=$?
  cat "$out/plan.md"
  if [ "$code" = 0 ] || [ "$code" = 2 ]; then
    hand_on pending "$([ "$code" = 2 ] && echo true || echo false)"
    hand_on plan "$out/plan.json"
    hand_on report "$out/plan.md"
    code=0
  fi
  ;;
run)
  "${call[@]}" --yes --progress plain --junit-into "$out/junit.xml" || code=$?
  hand_on code "$code"
  ;;
*)
  echo "verb.sh: there is no verb \`$verb\`: validate, plan or run" >&2
  exit 64
  ;;
esac
exit "$code"
