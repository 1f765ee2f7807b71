package app

import (
	"os"
	"testing"
)

// TestDoctorFailsForAUserWhoCanReadWhatIsNotTheirs pretends that this user is
// another one than the owner of the folders.
func TestDoctorFailsForAUserWhoCanReadWhatIsNotTheirs(t *testing.T) {
	data, policies := t.TempDir(), t.TempDir()
	d := doctor{cfg: Config{Data: data, Policies: policies}, folder: Folder{Path: data}, uid: os.Geteuid() + 1}
	d.data()
	d.policies()
	if len(d.findings) != 2 || d.findings[0].Check != "data" || d.findings[1].Check != "policies" {
		t.Fatalf("findings = %v, want one about data and one about policies", d.findings)
	}
	for _, f := range d.findings {
		if f.Health != Fail || f.Fix == "" {
			t.Errorf("%s = %s, fix %q, want fail and what to do", f.Check, f.Health, f.Fix)
		}
	}
}
