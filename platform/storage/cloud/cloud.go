// Package cloud makes "s3://" work as a URL of storage.Options, for a program
// that imports it, and "gs://" in one that is built with the tag gcs. It is
// apart because the clouds' SDKs are large: 14 MB for S3, 30 MB for GCS.
package cloud

import _ "gocloud.dev/blob/s3blob" // s3://
