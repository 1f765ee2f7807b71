# Builds build/storefront. Without the exports a go.work above this folder, a
# repository around it or the network could take part.
set -e
export GOWORK=off GOTOOLCHAIN=local CGO_ENABLED=0 GOFLAGS='-trimpath -buildvcs=false'
mkdir -p build
go build -o build/storefront .
