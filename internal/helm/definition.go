package helm

import (
	"bytes"
	"context"
	"errors"
	"io"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"

	"github.com/harmonix-eks/environment-provider/internal/kube"
)

// definitions applies the chart's CustomResourceDefinitions, where that is asked for. Before the
// first installation as well: what Helm creates itself looks like another's on the next apply.
func (o *operation) definitions(ctx context.Context) ([]kube.Result, error) {
	var results []kube.Result
	err := o.eachDefinition(func(object *unstructured.Unstructured) error {
		change, err := o.cluster.Apply(ctx, object, kube.WriteOptions{SkipValidation: true})
		results = append(results, kube.Result{Object: kube.Describe(object), Change: change, Err: err})
		return err
	})
	return results, err
}

// eachDefinition visits the chart's CustomResourceDefinitions, where they are to be applied, until a
// visit fails.
func (o *operation) eachDefinition(visit func(*unstructured.Unstructured) error) error {
	if o.wanted.SkipCRDs || !o.wanted.UpgradeCRDs {
		return nil
	}
	content, err := o.chart.load()
	if err != nil {
		return err
	}
	for _, definition := range content.CRDObjects() {
		objects, err := objectsOf(definition.File.Data)
		if err != nil {
			return invalid("Chart", "the chart's %s cannot be read: %s", definition.Filename, oneLine(err.Error()))
		}
		for _, object := range objects {
			if err := visit(object); err != nil {
				return err
			}
		}
	}
	return nil
}

// objectsOf reads the documents of a YAML file.
func objectsOf(text []byte) ([]*unstructured.Unstructured, error) {
	decoder := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096)
	var objects []*unstructured.Unstructured
	for {
		object := &unstructured.Unstructured{}
		err := decoder.Decode(&object.Object)
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, err
		}
		if len(object.Object) > 0 {
			objects = append(objects, object)
		}
	}
}
