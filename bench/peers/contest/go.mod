module github.com/strixlabs/execution-kernel/bench/peers/contest

go 1.26.8
