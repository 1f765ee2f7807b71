package webhook

import "time"

// How a message is tried again: at once, and then after waits that grow by three
// from five seconds to six hours, twelve times within about a day.
const (
	MaxAttempts = 12
	firstWait   = 5 * time.Second
	maxWait     = 6 * time.Hour
)

// Wait is how long to wait after so many attempts that failed. A draw from
// 0 to 255 moves it by a fifth at most in either direction, so that what failed
// together is not tried together. What the receiver asked for counts when it is
// longer, up to the longest wait.
func Wait(attempts int, draw byte, asked time.Duration) time.Duration {
	wait := firstWait
	for range min(max(attempts, 1), MaxAttempts) - 1 {
		wait = min(3*wait, maxWait)
	}
	wait += time.Duration(int64(wait) / 5 * (2*int64(draw) - 255) / 255)
	return max(wait, min(asked, maxWait))
}
