// What users who want speed write today: GetRecommendations through the AWS SDK for Go, version 2.
// Calls only, on all cores: no Parquet is read or written.
//
// Usage: bench-client-go ENDPOINT ARN CALLS IN_FLIGHT NUM_RESULTS CA.pem
package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/personalizeruntime"
)

func number(text string) int {
	value, err := strconv.Atoi(text)
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func credentials(context.Context) (aws.Credentials, error) {
	return aws.Credentials{
		AccessKeyID:     os.Getenv("AWS_ACCESS_KEY_ID"),
		SecretAccessKey: os.Getenv("AWS_SECRET_ACCESS_KEY"),
	}, nil
}

// inMemory sends a request in one piece, from memory. The SDK closes a body when its answer begins;
// on loopback that can be before net/http has seen the body's end, which then drops the connection.
type inMemory struct{ client *http.Client }

func (h inMemory) Do(request *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return nil, err
	}
	request.Body = io.NopCloser(bytes.NewReader(body))
	return h.client.Do(request)
}

// newClient returns a client that keeps as many connections as there are calls in flight.
func newClient(endpoint, bundle string, inFlight int) *personalizeruntime.Client {
	pem, err := os.ReadFile(bundle)
	if err != nil {
		log.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		log.Fatalf("%s holds no certificate", bundle)
	}
	return personalizeruntime.New(personalizeruntime.Options{
		Region:           os.Getenv("AWS_REGION"),
		Credentials:      aws.NewCredentialsCache(aws.CredentialsProviderFunc(credentials)),
		EndpointResolver: personalizeruntime.EndpointResolverFromURL(endpoint),
		HTTPClient: inMemory{&http.Client{Transport: &http.Transport{
			MaxConnsPerHost:     inFlight,
			MaxIdleConnsPerHost: inFlight,
			TLSClientConfig:     &tls.Config{RootCAs: roots},
		}}},
	})
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == "version" {
		fmt.Println("aws-sdk-go-v2", aws.SDKVersion)
		return
	}
	if len(os.Args) != 7 {
		log.Fatal("usage: bench-client-go ENDPOINT ARN CALLS IN_FLIGHT NUM_RESULTS CA.pem")
	}
	endpoint, arn, bundle := os.Args[1], os.Args[2], os.Args[6]
	calls, inFlight, results := number(os.Args[3]), number(os.Args[4]), number(os.Args[5])
	client := newClient(endpoint, bundle, inFlight)
	users := make(chan string, inFlight)
	var group sync.WaitGroup
	for lane := 0; lane < inFlight; lane++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for user := range users {
				answer, err := client.GetRecommendations(
					context.Background(),
					&personalizeruntime.GetRecommendationsInput{
						CampaignArn: &arn,
						UserId:      aws.String(user),
						NumResults:  int32(results),
					},
				)
				if err != nil {
					log.Fatal(err)
				}
				if len(answer.ItemList) != results {
					log.Fatalf("%d items instead of %d", len(answer.ItemList), results)
				}
			}
		}()
	}
	for user := 0; user < calls; user++ {
		users <- fmt.Sprintf("user-%08d", user)
	}
	close(users)
	group.Wait()
}
