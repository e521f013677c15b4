package helm

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/rest"

	"github.com/harmonix-eks/environment-provider/internal/kube"
)

// Each attempt shares out the time that is left: a wait that had the time of the first one would end
// after the function, and leave the release locked.
func TestEachAttemptHasItsOwnTime(t *testing.T) {
	cluster, err := kube.NewClient(&rest.Config{Host: "http://127.0.0.1:1"}, kube.Options{HTTP: &http.Client{}})
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		o := &operation{Client: New(cluster, Options{}), wanted: Release{Name: "web", Namespace: "shop", Timeout: 15 * time.Minute}}
		var got []time.Duration
		for _, passes := range []time.Duration{0, 4 * time.Minute, 5*time.Minute + 30*time.Second, 10 * time.Second} {
			time.Sleep(passes)
			if err := o.begin(ctx); err != nil {
				t.Fatal(err)
			}
			got = append(got, o.timeout)
		}
		// 20 s less than what is left, for the record of how it ended; a second at least.
		want := []time.Duration{9*time.Minute + 40*time.Second, 5*time.Minute + 40*time.Second, 10 * time.Second, time.Second}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("waits (-want +got):\n%s", diff)
		}
		// 20 s are left.
		if !roomAfter(ctx, time.Second) || roomAfter(ctx, 6*time.Second) {
			t.Error("an attempt is begun that cannot be recorded, or one is left out that could")
		}
		if !roomAfter(context.Background(), time.Hour) {
			t.Error("without a deadline there is no room")
		}
	})
}
