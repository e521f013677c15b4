// Command plan is the Plan stage: it puts together what the stages would do.
package main

import (
	"github.com/harmonix-eks/environment-provider/internal/plan"
	"github.com/harmonix-eks/environment-provider/internal/stage"
)

func main() {
	rt := stage.Load[struct{}]()
	stage.Start("Plan", rt.Log, plan.Run)
}
