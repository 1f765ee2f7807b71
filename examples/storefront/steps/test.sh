# Runs the tests as they would run anywhere; see build.sh for the exports.
set -e
export GOWORK=off GOTOOLCHAIN=local CGO_ENABLED=0 GOFLAGS='-trimpath -buildvcs=false'
go test ./...
