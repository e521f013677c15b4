package stack

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

// matches reports whether the stack is what its spec says, by reading only: asking UpdateStack
// and being told "No updates are to be performed" would be a mutating call in every re-apply.
// The template, the one comparison that costs a call, comes last.
func (c *convergence) matches(ctx context.Context, live Description) (bool, error) {
	if !maps.Equal(live.Tags, c.spec.Tags) || !sameRole(live.RoleARN, c.spec.RoleARN) ||
		!maps.Equal(live.Parameters, withDefaults(c.spec.Parameters, c.spec.Template)) {
		return false, nil
	}
	// Original: the processed template has its transforms applied.
	out, err := c.api.GetTemplate(ctx, &cloudformation.GetTemplateInput{StackName: &live.StackID, TemplateStage: types.TemplateStageOriginal})
	if err != nil {
		return false, classify(err, "cloudformation:GetTemplate", c.spec.Name)
	}
	return sameJSON(aws.ToString(out.TemplateBody), c.spec.Template), nil
}

// sameRole compares service roles. A live stack without one counts as equal: every stack is
// created with its role, which sticks (aws-traps.md, row 1.64), so that only an emulator that does
// not report the role answers like that. Any real change sends the role anyway.
func sameRole(live, want string) bool { return live == "" || live == want }

// withDefaults adds the template's defaults for parameters that are not given: a stack lists those
// among its parameters too.
func withDefaults(given map[string]string, template string) map[string]string {
	var t struct {
		Parameters map[string]struct{ Default any }
	}
	decoder := json.NewDecoder(strings.NewReader(template))
	decoder.UseNumber()
	if decoder.Decode(&t) != nil {
		return given
	}
	all := make(map[string]string, len(t.Parameters))
	for name, p := range t.Parameters {
		if p.Default != nil {
			all[name] = fmt.Sprint(p.Default)
		}
	}
	maps.Copy(all, given)
	return all
}

// sameJSON reports whether a and b are the same document. Texts that are not JSON have to be equal.
func sameJSON(a, b string) bool {
	if a == b {
		return true
	}
	var x, y any
	if json.Unmarshal([]byte(a), &x) != nil || json.Unmarshal([]byte(b), &y) != nil {
		return false
	}
	return reflect.DeepEqual(x, y)
}
