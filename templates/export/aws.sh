: "${IMAGE:?set it to the AMI that the machines start from}"
: "${SUBNET:?set it to the subnet that the addresses below are in}"
: "${SECURITY_GROUP:?set it to a security group that lets the machines talk to each other}"
TYPE=${TYPE:-t3.large}
DISK=${DISK:-40}          # GiB
ROOT=${ROOT:-/dev/xvda}   # the root device of the AMI: aws ec2 describe-images --image-ids "$IMAGE"
KEY_NAME=${KEY_NAME:-}

# machine NAME TOKEN OPTION ADDRESS: with the same token, EC2 never makes a second instance.
machine() {
  chosen "$1" || return 0
  aws ec2 run-instances --count 1 --image-id "$IMAGE" --instance-type "$TYPE" \
    --subnet-id "$SUBNET" --security-group-ids "$SECURITY_GROUP" "$3" "$4" \
    --user-data "fileb://user-data/$1.gz" --client-token "$2" \
    --block-device-mappings "DeviceName=$ROOT,Ebs={VolumeSize=$DISK,VolumeType=gp3,Encrypted=true}" \
    --metadata-options HttpTokens=required,HttpPutResponseHopLimit=1 \
    --tag-specifications "ResourceType=instance,Tags=[{Key=Name,Value=$1}]" \
    ${KEY_NAME:+--key-name "$KEY_NAME"} --query 'Instances[0].InstanceId' --output text
}

