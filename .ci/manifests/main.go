// Command manifests checks that the Kubernetes manifests given as arguments
// decode strictly: a key that the API does not have is an error. It is a module
// of its own, because nothing else needs the types of Kubernetes.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/yaml"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: manifests FILE…")
		os.Exit(2)
	}
	for _, name := range os.Args[1:] {
		if err := check(name); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
			os.Exit(1)
		}
	}
}

// check decodes each document of a file and looks at the indexed jobs in it.
func check(name string) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	scheme := runtime.NewScheme()
	if err := errors.Join(corev1.AddToScheme(scheme), batchv1.AddToScheme(scheme), appsv1.AddToScheme(scheme)); err != nil {
		return err
	}
	decoder := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
	documents := yaml.NewDocumentDecoder(io.NopCloser(bytes.NewReader(text)))
	defer documents.Close()
	buf := make([]byte, len(text)+1)
	found := 0
	for {
		n, err := documents.Read(buf)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		object, kind, err := decoder.Decode(buf[:n], nil, nil)
		if err != nil {
			return err
		}
		fmt.Printf("summary: %s: %s is valid\n", name, kind.Kind)
		found++
		if job, ok := object.(*batchv1.Job); ok {
			if err := checkJob(job); err != nil {
				return err
			}
		}
	}
	if found == 0 {
		return errors.New("no object in it")
	}
	return nil
}

// checkJob reports an indexed job whose number of shards is not its number of pods.
func checkJob(job *batchv1.Job) error {
	if job.Spec.CompletionMode == nil || *job.Spec.CompletionMode != batchv1.IndexedCompletion || job.Spec.Completions == nil {
		return errors.New("the job is not indexed")
	}
	want := fmt.Sprintf("--shards=%d", *job.Spec.Completions)
	for _, c := range job.Spec.Template.Spec.Containers {
		for _, arg := range c.Args {
			if arg == want {
				return nil
			}
		}
	}
	return fmt.Errorf("no container has %s", want)
}
