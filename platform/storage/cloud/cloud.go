// Package cloud makes "s3://" and "gs://" work as URLs of storage.Options, for a
// program that imports it. It is apart because the clouds' SDKs are large.
package cloud

import (
	_ "gocloud.dev/blob/gcsblob" // gs://
	_ "gocloud.dev/blob/s3blob"  // s3://
)
